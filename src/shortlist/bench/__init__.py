"""The main job: plan cells, run them block by block, resume."""
