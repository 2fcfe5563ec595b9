"""What a person, a group or a token may use in a day: questions, tokens and cost."""
