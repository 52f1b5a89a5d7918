"""What draws: functions that take a value and give a person's choice. They hold no rule of the wire."""
