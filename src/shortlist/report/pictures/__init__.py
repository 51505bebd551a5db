"""The report's pictures: one module each, all in the same manner.

Black ink; one accent marks the pick; candidates differ by shape, place and a label of their own; there are no legends.
Hatching means "outside a need" or "cannot tell" and nothing else. Each has a title, a description, and a table beside
it with the same numbers.
"""
