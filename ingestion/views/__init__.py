"""The pages of documents and corpora: parse the request, pass a gate, call one service, render."""
