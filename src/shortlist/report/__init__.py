"""A summarised run for people and programs. Nothing is computed here, and nothing imported before it is asked for."""
