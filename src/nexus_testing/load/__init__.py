"""Load over sockets: plugins on a real server, and what drives it."""
