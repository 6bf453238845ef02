"""From the app to a stack: the template, its alarms and dashboard, the change set, and the doctor. Never deployed."""
