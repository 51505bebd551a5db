"""The recipe behind the demo models: from word lists to GGUF files.

Everything is invented here; no outside text is used.
"""
