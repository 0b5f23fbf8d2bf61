package api

import (
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"fulcrum/config"
	"fulcrum/control"
)

// problem turns an error into a problem document (RFC 9457) with its status. Each detail names the
// key it is about.
func problem(err error) error {
	if err == nil {
		return nil
	}
	var problems config.Problems
	var restart *control.RestartError
	var value *control.ValueError
	var address *control.AddressError
	switch {
	case errors.As(err, &problems):
		return huma.Error422UnprocessableEntity(problems.Error(), fileDetails(problems)...)
	case errors.As(err, &restart):
		return huma.Error409Conflict(err.Error(), restartDetails(restart)...)
	case errors.As(err, &value):
		return unprocessable("body."+value.Field, value.Message, nil)
	case errors.As(err, &address): // of a path or of a body
		return unprocessable("address", address.Error(), address.Text)
	case errors.Is(err, control.ErrOvertaken):
		return huma.Error412PreconditionFailed(err.Error())
	case errors.Is(err, errBusy):
		soon := http.Header{"Retry-After": {"1"}}
		return huma.ErrorWithHeaders(huma.Error503ServiceUnavailable(err.Error()), soon)
	case errors.Is(err, control.ErrAbandoned):
		return huma.Error503ServiceUnavailable(errAbandoned.Error())
	case errors.Is(err, control.ErrLastServer):
		return huma.Error409Conflict(err.Error(), &huma.ErrorDetail{
			Message: err.Error(), Location: refuseLastLocation,
		})
	case errors.Is(err, control.ErrNothingBefore):
		return huma.Error409Conflict(err.Error())
	case errors.As(err, new(control.NotFoundError)):
		return huma.Error404NotFound(err.Error())
	}
	return err
}

// unprocessable is a problem of status 422 with one detail. The value may be nil.
func unprocessable(location, message string, value any) error {
	d := &huma.ErrorDetail{Message: message, Location: location, Value: value}
	return huma.Error422UnprocessableEntity(message, d)
}

func fileDetails(problems config.Problems) (details []error) {
	for _, p := range problems {
		message := p.What + "; " + p.Right
		details = append(details, &huma.ErrorDetail{Message: message, Location: p.Key, Value: p.Line})
	}
	return details
}

func restartDetails(r *control.RestartError) (details []error) {
	for _, s := range r.Settings {
		message := "cannot change while the director runs"
		details = append(details, &huma.ErrorDetail{Message: message, Location: s})
	}
	return details
}
