"""Who gets whom: the queue, its index in Redis, offers and availability. Built on conversations."""
