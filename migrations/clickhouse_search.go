package migrations

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/pressly/goose/v3"
)

// searchVersion is the migration that makes the index for searches in comments.
const searchVersion = 28

// searchIndexes are the kinds of index for content LIKE '%火箭%', the best first: a
// server takes the first one that it knows. None changes what is found, nor how it
// is asked for; a search for what an index cannot tell reads all of content.
//
// The text index (ClickHouse 26.2 or later) holds the rows of every Chinese
// character and of every word in Latin letters or digits, in 5.6 bytes a comment;
// pairs of characters (ngrams(2)) would take 7. The bloom filter holds the pairs of
// characters of 8192 comments each, in one byte a comment, and can be wrong in
// one of twenty where it says that they are there.
var searchIndexes = []string{
	"text(tokenizer = 'asciiCJK', posting_list_codec = 'bitpacking')",
	"ngrambf_v1(2, 8192, 2, 0) GRANULARITY 1",
}

// searchMigration cannot be SQL alone: it does what the server is able to.
func searchMigration() *goose.Migration {
	migration := goose.NewGoMigration(searchVersion, &goose.GoFunc{RunDB: addSearchIndex}, nil)
	migration.Source = fmt.Sprintf("%05d_comment_search.go", searchVersion)
	return migration
}

func addSearchIndex(ctx context.Context, db *sql.DB) error {
	var err error
	for _, kind := range searchIndexes {
		_, err = db.ExecContext(ctx, "ALTER TABLE comments ADD INDEX IF NOT EXISTS content_index content TYPE "+kind)
		if code := clickHouseCode(err); code == 0 || code == accessDenied {
			break // made, or refused for another reason than its kind
		}
	}
	if err != nil {
		return fmt.Errorf("adding the index for searches in comments: %w", err)
	}
	if _, err := db.ExecContext(ctx, "ALTER TABLE comments MATERIALIZE INDEX content_index"); err != nil {
		return fmt.Errorf("indexing the comments that are there: %w", err)
	}
	return nil
}
