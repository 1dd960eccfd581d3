"""The site's folder: settings, keys, the register, its database."""
