"""What each stage runs, under the stage's name."""
