"""Who is asking, and what they may do: authentication makes a party of a message's protection, and one
table of grants says what that party may do about whom."""
