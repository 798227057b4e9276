"""Forms of the agents' area: its texts are in French only, as its agents are."""
