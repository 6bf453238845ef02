"""The words of messages: gettext catalogues, Jinja2 templates, and amounts and dates by Babel's CLDR."""
