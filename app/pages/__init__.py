"""Doors for people: the HTML pages, the files browsers load, and the routes that only pages need.

May import everything below it; nothing imports it but main.
"""
