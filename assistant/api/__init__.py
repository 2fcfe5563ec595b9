"""The doors for programs: tokens, an OpenAI-compatible API, and the REST API of corpora, documents and conversations."""
