"""Talking to a model: one question or a conversation, streamed as it comes, cut nowhere in silence."""
