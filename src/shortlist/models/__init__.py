"""Models: names, files and what is known of them."""
