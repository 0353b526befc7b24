package ingest

import (
	"errors"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// insertErrorClass says what to do about a failed insert.
type insertErrorClass string

const (
	// classRetry: try again with the same token; it is the default, because
	// the rows are safe on disk.
	classRetry insertErrorClass = "retry"
	// classOperator: try again, but it will go on failing until a person acts.
	classOperator insertErrorClass = "operator"
	// classRows: the server cannot take some of these rows.
	classRows insertErrorClass = "rows"
)

// classOf tells the class of an insert's error and ClickHouse's code for it, 0
// when the server did not answer.
func classOf(err error) (insertErrorClass, int32) {
	var exception *clickhouse.Exception
	if !errors.As(err, &exception) {
		// Over HTTP the driver looks at the columns of its batches itself, and has no type for this.
		if err != nil && strings.Contains(err.Error(), "is not present in the table") {
			return classOperator, 16
		}
		if errors.Is(err, errFilling) {
			return classOperator, 0
		}
		return classRetry, 0
	}
	switch exception.Code {
	case 16, // NO_SUCH_COLUMN_IN_TABLE
		60,  // UNKNOWN_TABLE
		81,  // UNKNOWN_DATABASE
		115, // UNKNOWN_SETTING
		192, // UNKNOWN_USER
		193, // WRONG_PASSWORD
		243, // NOT_ENOUGH_SPACE
		497, // ACCESS_DENIED
		516: // AUTHENTICATION_FAILED
		return classOperator, exception.Code
	case 6, // CANNOT_PARSE_TEXT
		26,  // CANNOT_PARSE_QUOTED_STRING
		27,  // CANNOT_PARSE_INPUT_ASSERTION_FAILED
		38,  // CANNOT_PARSE_DATE
		41,  // CANNOT_PARSE_DATETIME
		53,  // TYPE_MISMATCH
		69,  // ARGUMENT_OUT_OF_BOUND
		70,  // CANNOT_CONVERT_TYPE
		72,  // CANNOT_PARSE_NUMBER
		117, // INCORRECT_DATA
		131, // TOO_LARGE_STRING_SIZE
		321, // VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE
		349, // CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN
		469, // VIOLATED_CONSTRAINT
		691: // UNKNOWN_ELEMENT_OF_ENUM
		return classRows, exception.Code
	}
	return classRetry, exception.Code
}
