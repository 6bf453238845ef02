"""`make replay`: sends real bookings through the HTTP API in time order, and checks every cent at the end."""
