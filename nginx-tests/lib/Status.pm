# Requests to session_sticky_status.
#
#   reply_to(PATH, METHOD, FIELD, ...)   the response over HTTP/1.1, from the server of the block; fields as "Name: value"
#   sent(PATH, TYPE, BODY)             the same for a POST
#   whole(CONNECTION, PAUSE)           everything received until nginx closes, with a pause of PAUSE seconds between two reads
#   unchunked(RESPONSE)                a response with its chunks decoded
#   document(PATH)                     the JSON document of a path
#   parsed(RESPONSE)                   the JSON document of a response, or an error
#   upstream(NAME), server_at(NAME, ADDRESS)   entries of the document at /status
#   is_json(TEXT, WHAT)                a test: TEXT is one JSON value in UTF-8
#   servers_of(NUMBER)                 an "include" of NUMBER "server" lines, each with a different address

package Status;

use strict;
use warnings;

use Client;
use Exporter 'import';
use File::Temp;
use IO::Select;
use JSON::PP ();
use Time::HiRes 'sleep';

our @EXPORT = qw(reply_to sent whole unchunked document parsed upstream server_at is_json servers_of);

sub reply_to {
    my ($path, $method, @fields) = @_;
    $method //= 'GET';
    my $socket = say_to_nginx(join "\r\n", "$method $path HTTP/1.1", 'Host: localhost', 'Connection: close', @fields, '', '');
    return unchunked(whole($socket));
}

sub sent {
    my ($path, $type, $body) = @_;
    my $length = length $body;
    my $socket = say_to_nginx("POST $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: $type\r\n"
                              . "Content-Length: $length\r\n\r\n$body");
    return unchunked(whole($socket));
}

# For long texts: response() would match the whole text again after each read.
sub whole {
    my ($socket, $pause) = @_;
    my ($text, $piece) = '';
    while (IO::Select->new($socket)->can_read(patience()) && sysread $socket, $piece, 200_000) {
        $text .= $piece;
        sleep $pause if $pause;
    }
    return $text;
}

# If the last chunk is missing, the body begins with "cut off".
sub unchunked {
    my ($response) = @_;
    my ($head, $rest) = split /\r\n\r\n/, $response, 2;
    return $response if $head !~ /^Transfer-Encoding: chunked\r?$/m;
    my ($body, $at, $ended) = ('', 0, 0);
    while ($rest =~ /\G([0-9a-f]+)\r\n/gc) {
        my $length = hex $1;
        $ended = 1, last if $length == 0;
        $at = pos $rest;
        $body .= substr $rest, $at, $length;
        pos($rest) = $at + $length + 2;
    }
    return "$head\r\n\r\n" . ($ended ? $body : "cut off: $body");
}

sub parsed {
    my ($response) = @_;
    my $value = eval { JSON::PP->new->utf8->allow_nonref(0)->decode(body($response)) };
    return $value // {error => "no JSON: $@"};
}

sub document {
    my ($path) = @_;
    return parsed(reply_to($path));
}

sub upstream {
    my ($name) = @_;
    my ($upstream) = grep { $_->{name} eq $name } @{document('/status?format=json')->{upstreams}};
    return $upstream;
}

sub server_at {
    my ($name, $address) = @_;
    my ($server) = grep { $_->{address} eq $address } @{(upstream($name) // {})->{servers}};
    return $server // {};
}

sub is_json {
    my ($text, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $value = eval { JSON::PP->new->utf8->decode($text) };
    return holds(defined $value, "$what is JSON" . ($@ ? ": $@" : ''));
}

our @files;

sub servers_of {
    my ($number) = @_;
    # Test::Nginx takes minutes for a long configuration.
    my $file = File::Temp->new;
    print $file map { my $high = int $_ / 250; my $low = $_ % 250 + 1; "server 127.1.$high.$low:1;\n" } 0 .. $number - 1;
    close $file;
    push @files, $file;
    return "include $file;";
}

1;
