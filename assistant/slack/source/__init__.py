"""Slack as a source: chosen public channels become corpora, and are followed from then on."""
