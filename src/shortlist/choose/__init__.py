"""From numbers to a decision: needs, scorecards, the choice and what would change it."""
