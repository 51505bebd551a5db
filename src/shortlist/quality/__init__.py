"""What is asked and how answers are judged: prompts, facets, annotations."""
