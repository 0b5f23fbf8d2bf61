// Package top is a live view of a running director in a terminal: rates of services and real
// servers, reasons of drops, and how busy workers are. The model is pure: reports and the time come
// in as messages, and it returns a screen of text.
package top
