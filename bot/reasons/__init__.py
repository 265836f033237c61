"""Why is it so, and what would change it? The answers of the page, Slack and the terminal."""
