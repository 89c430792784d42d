"""From files on this machine or the hub to a frozen model that is what they say."""
