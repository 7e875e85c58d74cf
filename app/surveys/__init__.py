"""What visitors thought of it: ratings. Built on conversations; a sibling of routing and reports."""
