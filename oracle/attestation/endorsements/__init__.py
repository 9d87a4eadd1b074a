"""What vendors sign about their platforms: fetched, taken apart, put in order; judged elsewhere."""
