"""Text encoders: from reviews to text features of users and items."""
