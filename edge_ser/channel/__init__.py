"""From a loudspeaker to a microphone: the channel simulated, and corpora recorded again through a real one."""
