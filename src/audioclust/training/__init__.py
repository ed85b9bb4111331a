"""Parts of every training: epochs that resume, checkpoints, saved models, schedules, monitors."""
