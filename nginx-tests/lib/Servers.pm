# Servers named by letters, and their IDs.
#
#   %port               their ports on 127.0.0.1: 1985 to 1988 for A, B, C and D; a file may add others
#   servers(TEXT, NAMES)    "server" blocks for these servers, or for all, with TEXT in each, in which NAME is replaced. Without
#                       a "location /" in TEXT, they respond with "NAME URI cookie=[the Cookie they received]"
#   id(NAME)            the default ID of a server
#   expand(TEXT, NOW)   TEXT with IDs for ID_NAME. If NOW is given: with seconds since the epoch for NOW, NOW-n and NOW+n, and
#                       with patterns for STAMP, a time from NOW on, and for DATE+n, an HTTP-date n seconds later
#   fill(BLOCK, HTTP, SECTIONS)  inserts HTTP before the block's http_config, and expands its requests, its expected
#                       responses, and these sections

package Servers;

use strict;
use warnings;

use Digest::MD5 'md5_hex';
use Exporter 'import';
use HTTP::Date 'time2str';

our @EXPORT = qw(%port servers id expand fill);

our %port = (A => 1985, B => 1986, C => 1987, D => 1988);

sub servers {
    my ($text, @names) = @_;
    $text //= '';
    $text = qq[location / { return 200 "NAME \$request_uri cookie=[\$http_cookie]\\n"; }\n$text] if $text !~ m{location / };
    return join '', map {
        "server {\nlisten 127.0.0.1:$port{$_};\n" . ($text =~ s/\bNAME\b/$_/gr) . "}\n"
    } @names ? @names : sort keys %port;
}

sub id { my ($name) = @_; return md5_hex("127.0.0.1:$port{$name}") }

sub expand {
    my ($text, $now) = @_;
    return [map { expand($_, $now) } @$text] if ref $text eq 'ARRAY';
    return $text if !defined $text;
    if (ref $text eq 'Regexp') {
        my $pattern = expand("$text", $now);
        return qr/$pattern/;
    }
    $text =~ s/\bID_(\w+)\b/exists $port{$1} ? id($1) : "ID_$1"/ge;
    return $text if !defined $now;
    $text =~ s/\bNOW(?:([-+])(\d+))?\b/$now + ($1 ? "$1$2" : 0)/ge;
    $text =~ s/\bSTAMP\b/within(sub { $_[0] }, $now)/ge;
    return $text =~ s/\bDATE\+(\d+)\b/within(\&time2str, $now + $1)/ger;
}

sub within { my ($form, $from) = @_; return '(?:' . join('|', map { $form->($_) } $from .. $from + 30) . ')' }

sub fill {
    my ($block, $http, @sections) = @_;
    for my $section (qw(more_headers request response_headers response_headers_like response_body raw_response_headers_like
                        raw_response_headers_unlike), @sections) {
        my $text = expand($block->$section // next, time);
        chomp $text if $section =~ /like$/;
        $block->set_value($section, $text);
    }
    $block->set_value(http_config => $http . expand($block->http_config // ''));
}

1;
