"""The three sizes and how each is trained."""

from typing import Final

from notes_recipe.shape import SHAPES
from notes_recipe.train import Recipe

RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe("notes-small", SHAPES["notes-small"], 3_500_000, 2048, 4e-3, 0),
        Recipe("notes-medium", SHAPES["notes-medium"], 5_000_000, 2048, 4e-3, 0),
        Recipe("notes-large", SHAPES["notes-large"], 9_000_000, 2048, 3e-3, 0),
    )
}
