"""What happens as time passes: due windows are closed, passed deadlines reported, finished requests announced."""
