"""What a policy, a template and a CRL distribution point may say."""
