"""Deployment: the template, its alarms and dashboard, the change set, and the doctor. This code is never deployed."""
