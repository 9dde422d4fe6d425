"""Batched copies of public benchmark environments, equal to the originals step for step."""
