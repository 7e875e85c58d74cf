"""A team's day on paper: the real rules of the queue under other strategies, staffing and capacities."""
