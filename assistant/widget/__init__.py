"""The door in other pages: the chat in a frame on the intranet, for the person who sees the page."""
