"""The door of sockets: connections, what they may say, and who hears what. Knows every floor below."""
