"""Where the keys of CAs may be: a module for each kind (`cmpd.clm.authorities.key_ref`)."""
