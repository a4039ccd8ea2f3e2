"""PostgreSQL: transactions, what only it has of SQL, and several nodes on one database."""
