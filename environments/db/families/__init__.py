"""What the offline teacher knows of databases: changes it can make up, word, read back and carry out; questions."""
