"""The three sizes and how each is trained."""

from typing import Final

from notes_recipe.model import Shape
from notes_recipe.tokenizer import VOCABULARY
from notes_recipe.train import Recipe

RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe("notes-small", Shape(64, 2, 2, 160, VOCABULARY), 3_500_000, 2048, 4e-3, 0),
        Recipe("notes-medium", Shape(96, 2, 3, 256, VOCABULARY), 5_000_000, 2048, 4e-3, 0),
        Recipe("notes-large", Shape(160, 4, 5, 416, VOCABULARY), 9_000_000, 2048, 3e-3, 0),
    )
}
