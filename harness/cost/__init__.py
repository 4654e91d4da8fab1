"""What a row costs, without weights and without a video: the method's own code on the meta device, counted."""
