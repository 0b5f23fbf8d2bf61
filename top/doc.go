// Package top is a live view of a running director in a terminal: rates of services and real servers, why packets are dropped, and how busy
// workers are. The model is pure: reports and the time come in as messages, and a screen of text comes out.
package top
