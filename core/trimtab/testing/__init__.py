"""What a plug-in author tests with."""
