"""The Slack door: events are stored, answered by a worker on the one answer path, and told in the place they came from."""
