# Sessions over fastcgi_pass, uwsgi_pass, scgi_pass and grpc_pass, and for clients that speak HTTP/2.
#
# The servers of the first three are written out below: each answers with its name and the Cookie
# that it was sent, "none" if there was none, and sets the cookies "test=abc" and "mytest=abc".

use Test::Nginx::Socket 'no_plan';

use Digest::MD5 'md5_hex';
use IO::Select;
use IO::Socket::INET;

repeat_each(1);
no_shuffle();
no_long_string();
no_root_location();

# ID_... in a section is the id of that server.
our %port = (FCGI_A => 1985, FCGI_B => 1986, UWSGI_A => 1987, UWSGI_B => 1988, SCGI_A => 1989, SCGI_B => 1990,
             GRPC_A => 1991, GRPC_B => 1992, HTTP_A => 1993, HTTP_B => 1994);

# The parameters of a request in each protocol.
our %read = (
    # FastCGI: records of an 8-byte header and its content, parameters in type 4, the end of the body an empty type 5.
    FCGI => sub {
        my ($from) = @_;
        my $text = '';
        while (defined(my $header = exactly($from, 8))) {
            my (undef, $type, undef, $length, $padding) = unpack 'CCnnC', $header;
            my $content = exactly($from, $length) // return;
            defined exactly($from, $padding) or return;
            $text .= $content if $type == 4;
            last if $type == 5 && !$length;
        }
        my %parameters;
        while (length $text) {
            my ($name, $value) = map {
                my $short = unpack 'C', $text;
                $short < 128 ? unpack('C', substr $text, 0, 1, '') : unpack('N', substr $text, 0, 4, '') & 0x7fffffff;
            } 1, 2;
            my $key = substr $text, 0, $name, '';
            $parameters{$key} = substr $text, 0, $value, '';
        }
        return \%parameters;
    },
    # uwsgi: a 4-byte header with the length, then names and values with theirs.
    UWSGI => sub {
        my ($from) = @_;
        my (undef, $length) = unpack 'Cv', exactly($from, 4) // return;
        return { unpack '(v/a)*', exactly($from, $length) // return };
    },
    # SCGI: a netstring of names and values, each with a NUL after it.
    SCGI => sub {
        my ($from) = @_;
        my $length = '';
        while (defined(my $byte = exactly($from, 1))) {
            last if $byte eq ':';
            $length .= $byte;
        }
        my $text = exactly($from, $length) // return;
        return exactly($from, 1) && { $text =~ /([^\0]*)\0/g };
    },
);

sub exactly {
    my ($from, $length) = @_;
    my $text = '';
    while (length $text < $length) {
        sysread($from, $text, $length - length $text, length $text) or return;
    }
    return $text;
}

sub respond {
    my ($to, $name, $parameters) = @_;
    my $cookie = exists $parameters->{HTTP_COOKIE} ? $parameters->{HTTP_COOKIE} : 'none';
    my $status = ($parameters->{REQUEST_URI} // '') =~ /missing/ ? '404 Not Found' : '200 OK';
    my $text = "Status: $status\r\nContent-Type: text/plain\r\nSet-Cookie: test=abc; Path=/\r\nSet-Cookie: mytest=abc\r\n\r\n"
               . "$name cookie=[$cookie]\n";
    $text = "HTTP/1.0 $status\r\n$text" if $name =~ /^UWSGI/;
    $text = pack('CCnnCx', 1, 6, 1, length $text, 0) . $text . pack('CCnnCx', 1, 3, 1, 8, 0) . "\0" x 8 if $name =~ /^FCGI/;
    print $to $text;
    close $to;
}

# One process plays all these servers, one request after the other, until this one is done.
our %server = map {
    $_ => IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port{$_}, Listen => 16, ReuseAddr => 1)
          || bail_out("cannot listen on 127.0.0.1:$port{$_}: $!")
} grep { /^(?:FCGI|UWSGI|SCGI)_/ } sort keys %port;

our $servers = fork() // bail_out("cannot fork: $!");
if (!$servers) {
    my $tests = getppid;
    my $all = IO::Select->new(values %server);
    while (getppid == $tests) {
        for my $ready ($all->can_read(1)) {
            my ($name) = grep { $server{$_} == $ready } keys %server;
            my $client = $ready->accept or next;
            local $SIG{ALRM} = sub { close $client };
            alarm 5;
            my $parameters = $read{$name =~ s/_.*//r}->($client);
            alarm 0;
            respond($client, $name, $parameters) if $parameters;
        }
    }
    require POSIX;
    POSIX::_exit(0);
}
%server = ();
END { kill 'TERM', $servers if $servers }

# nginx itself plays gRPC and HTTP servers.
our $nginx = `$Test::Nginx::Util::NginxBinary -V 2>&1`;
our $http2 = $nginx =~ /http_v2_module/;
our ($listen_http2, $http2_on) = $nginx =~ m{nginx/1\.(\d+)} && $1 >= 26 ? ('', 'http2 on;') : ('http2', '');
our $backends = join '', map { my $name = $_; my ($listen, $on) = /^GRPC/ && $http2 ? ($listen_http2, $http2_on) : ('', ''); <<"_EOC_" } grep { /^(?:GRPC|HTTP)_/ } sort keys %port;
    server {
        listen 127.0.0.1:$port{$_} $listen;
        $on
        add_header Set-Cookie "test=abc; Path=/";
        add_header Set-Cookie "mytest=abc";
        if (\$http_cookie = "") { return 200 "$name cookie=[none]\\n"; }
        return 200 "$name cookie=[\$http_cookie]\\n";
    }
_EOC_

our %pass = (
    fcgi  => 'fastcgi_pass %s; fastcgi_param REQUEST_METHOD $request_method; fastcgi_param REQUEST_URI $request_uri;',
    uwsgi => 'uwsgi_pass %s; uwsgi_param REQUEST_METHOD $request_method; uwsgi_param REQUEST_URI $request_uri;',
    scgi  => 'scgi_pass %s; scgi_param REQUEST_METHOD $request_method; scgi_param REQUEST_URI $request_uri;',
    grpc  => 'grpc_pass %s;',
    http  => 'proxy_pass http://%s;',
);

sub expand {
    my ($text) = @_;
    return [map { expand($_) } @$text] if ref $text eq 'ARRAY';
    return $text if ref $text || !defined $text;
    return $text =~ s/\bID_([A-Z]+_[AB])\b/md5_hex("127.0.0.1:$port{$1}")/ger;
}

add_block_preprocessor(sub {
    my $block = shift;
    for my $section (qw(more_headers response_headers response_body raw_response_headers_like raw_response_headers_unlike
                        http2_request http2_answer http2_cookie)) {
        my $text = expand($block->$section // next);
        chomp $text if $section =~ /like$/;
        $block->set_value($section, $text);
    }

    # "protocol" says which of %pass; "sticky" what stands after session_sticky.
    my $protocol = $block->protocol;
    my $servers = join ' ', map { "server 127.0.0.1:$port{uc($protocol) . $_};" } '_A', '_B';
    my $location = 'location /t/ { ' . ($block->inside // '') . ' ' . sprintf($pass{$protocol}, 'u') . " }\n";
    my $http = "$backends upstream u { $servers session_sticky " . $block->sticky . "; }\n";
    $http .= "server { listen 127.0.0.1:1995 $listen_http2; $http2_on $location }\n" if defined $block->http2_answer && $http2;
    $block->set_value('http_config', $http);
    $block->set_value('config', $location . 'location = /idle { return 200; }');
    $block->set_value('request', defined $block->http2_answer ? 'GET /idle' : 'GET /t/') if !defined $block->request;
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

# "http2_answer": curl asks over HTTP/2, with the Cookie fields in the lines of "http2_request", and gets this, and
# this "http2_cookie" of ours or none.
add_response_body_check(sub {
    my ($block, $body, $index, $repeated, $dry_run) = @_;
    return if $dry_run || !defined $block->http2_answer;
    my $name = $block->name;
    SKIP: {
        skip "$name - nginx has no HTTP/2 here", 3 if !$http2;
        my @fields = map { ('-H', "Cookie: $_") } split /\n/, $block->http2_request // '';
        open my $curl, '-|', qw(curl -s -S -i --max-time 20 --http2-prior-knowledge), @fields, 'http://127.0.0.1:1995/t/'
            or bail_out("cannot run curl: $!");
        my $response = do { local $/; <$curl> } // '';
        like($response, qr{^HTTP/2 200}, "$name - answered over HTTP/2");
        is($response =~ /\r\n\r\n(.*)/s ? $1 : '', $block->http2_answer, "$name - the answer");
        my @ours = $response =~ /^set-cookie: (s=.*)\r$/mgi;
        is(join("\n", @ours), ($block->http2_cookie // '') =~ s/\n$//r, "$name - the cookie");
    }
});

run_tests();

__DATA__

=== fastcgi_pass, insert: the first visitors are bound
--- protocol: fcgi
--- sticky: cookie=s
--- request eval
["GET /t/", "GET /t/"]
--- response_headers eval
["Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_FCGI_A; Path=/", "Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_FCGI_B; Path=/"]
--- response_body eval
["FCGI_A cookie=[none]\n", "FCGI_B cookie=[none]\n"]


=== fastcgi_pass, insert: a return visit goes to its server, which sees the cookie
--- protocol: fcgi
--- sticky: cookie=s
--- more_headers
Cookie: a=b; s=ID_FCGI_B
--- response_headers
Set-Cookie: test=abc; Path=/, mytest=abc
--- response_body
FCGI_B cookie=[a=b; s=ID_FCGI_B]


=== fastcgi_pass, indirect: the cookie is hidden, and the server's own of that name replaced
--- protocol: fcgi
--- sticky: cookie=test option=indirect
--- request eval
["GET /t/", "GET /t/", "GET /t/"]
--- more_headers eval
["Cookie: a=b; test=ID_FCGI_B; c=d", "Cookie: test=ID_FCGI_B", ""]
--- raw_response_headers_like eval
["Set-Cookie: test=ID_FCGI_B; Path=/\r\n", "Set-Cookie: test=ID_FCGI_B; Path=/\r\n", "Set-Cookie: test=ID_FCGI_A; Path=/\r\n"]
--- raw_response_headers_unlike eval
[" test=abc", " test=abc", " test=abc"]
--- response_body eval
["FCGI_B cookie=[a=b; c=d]\n", "FCGI_B cookie=[none]\n", "FCGI_A cookie=[none]\n"]


=== fastcgi_pass, indirect by the hide directive
--- protocol: fcgi
--- sticky: cookie=test option=indirect
--- inside: session_sticky_hide_cookie upstream=u;
--- more_headers
Cookie: a=b; test=ID_FCGI_B; c=d
--- response_body
FCGI_B cookie=[a=b; c=d]


=== fastcgi_pass, rewrite
--- protocol: fcgi
--- sticky: cookie=test mode=rewrite
--- more_headers
Cookie: test=ID_FCGI_B
--- response_headers
Set-Cookie: test=ID_FCGI_B; Path=/, mytest=abc
--- response_body
FCGI_B cookie=[test=ID_FCGI_B]


=== fastcgi_pass, prefix
--- protocol: fcgi
--- sticky: cookie=test mode=prefix
--- more_headers
Cookie: a=b; test=ID_FCGI_B~mine; mytest=x~y
--- response_headers
Set-Cookie: test=ID_FCGI_B~abc; Path=/, mytest=abc
--- response_body
FCGI_B cookie=[a=b; test=mine; mytest=x~y]


=== fastcgi_pass, insert: an error page of the server counts as well
--- protocol: fcgi
--- sticky: cookie=s
--- request
GET /t/missing
--- error_code: 404
--- raw_response_headers_like
Set-Cookie: s=ID_FCGI_A; Path=/\r\n


=== uwsgi_pass, insert: the first visitors are bound
--- protocol: uwsgi
--- sticky: cookie=s
--- request eval
["GET /t/", "GET /t/"]
--- response_headers eval
["Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_UWSGI_A; Path=/", "Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_UWSGI_B; Path=/"]
--- response_body eval
["UWSGI_A cookie=[none]\n", "UWSGI_B cookie=[none]\n"]


=== uwsgi_pass, insert: a return visit goes to its server, which sees the cookie
--- protocol: uwsgi
--- sticky: cookie=s
--- more_headers
Cookie: a=b; s=ID_UWSGI_B
--- response_headers
Set-Cookie: test=abc; Path=/, mytest=abc
--- response_body
UWSGI_B cookie=[a=b; s=ID_UWSGI_B]


=== uwsgi_pass, indirect: the cookie is hidden, and the server's own of that name replaced
--- protocol: uwsgi
--- sticky: cookie=test option=indirect
--- request eval
["GET /t/", "GET /t/", "GET /t/"]
--- more_headers eval
["Cookie: a=b; test=ID_UWSGI_B; c=d", "Cookie: test=ID_UWSGI_B", ""]
--- raw_response_headers_like eval
["Set-Cookie: test=ID_UWSGI_B; Path=/\r\n", "Set-Cookie: test=ID_UWSGI_B; Path=/\r\n", "Set-Cookie: test=ID_UWSGI_A; Path=/\r\n"]
--- raw_response_headers_unlike eval
[" test=abc", " test=abc", " test=abc"]
--- response_body eval
["UWSGI_B cookie=[a=b; c=d]\n", "UWSGI_B cookie=[none]\n", "UWSGI_A cookie=[none]\n"]


=== uwsgi_pass, indirect by the hide directive
--- protocol: uwsgi
--- sticky: cookie=test option=indirect
--- inside: session_sticky_hide_cookie upstream=u;
--- more_headers
Cookie: a=b; test=ID_UWSGI_B; c=d
--- response_body
UWSGI_B cookie=[a=b; c=d]


=== uwsgi_pass, rewrite
--- protocol: uwsgi
--- sticky: cookie=test mode=rewrite
--- more_headers
Cookie: test=ID_UWSGI_B
--- response_headers
Set-Cookie: test=ID_UWSGI_B; Path=/, mytest=abc
--- response_body
UWSGI_B cookie=[test=ID_UWSGI_B]


=== uwsgi_pass, prefix
--- protocol: uwsgi
--- sticky: cookie=test mode=prefix
--- more_headers
Cookie: a=b; test=ID_UWSGI_B~mine; mytest=x~y
--- response_headers
Set-Cookie: test=ID_UWSGI_B~abc; Path=/, mytest=abc
--- response_body
UWSGI_B cookie=[a=b; test=mine; mytest=x~y]


=== uwsgi_pass, insert: an error page of the server counts as well
--- protocol: uwsgi
--- sticky: cookie=s
--- request
GET /t/missing
--- error_code: 404
--- raw_response_headers_like
Set-Cookie: s=ID_UWSGI_A; Path=/\r\n


=== scgi_pass, insert: the first visitors are bound
--- protocol: scgi
--- sticky: cookie=s
--- request eval
["GET /t/", "GET /t/"]
--- response_headers eval
["Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_SCGI_A; Path=/", "Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_SCGI_B; Path=/"]
--- response_body eval
["SCGI_A cookie=[none]\n", "SCGI_B cookie=[none]\n"]


=== scgi_pass, insert: a return visit goes to its server, which sees the cookie
--- protocol: scgi
--- sticky: cookie=s
--- more_headers
Cookie: a=b; s=ID_SCGI_B
--- response_headers
Set-Cookie: test=abc; Path=/, mytest=abc
--- response_body
SCGI_B cookie=[a=b; s=ID_SCGI_B]


=== scgi_pass, indirect: the cookie is hidden, and the server's own of that name replaced
--- protocol: scgi
--- sticky: cookie=test option=indirect
--- request eval
["GET /t/", "GET /t/", "GET /t/"]
--- more_headers eval
["Cookie: a=b; test=ID_SCGI_B; c=d", "Cookie: test=ID_SCGI_B", ""]
--- raw_response_headers_like eval
["Set-Cookie: test=ID_SCGI_B; Path=/\r\n", "Set-Cookie: test=ID_SCGI_B; Path=/\r\n", "Set-Cookie: test=ID_SCGI_A; Path=/\r\n"]
--- raw_response_headers_unlike eval
[" test=abc", " test=abc", " test=abc"]
--- response_body eval
["SCGI_B cookie=[a=b; c=d]\n", "SCGI_B cookie=[none]\n", "SCGI_A cookie=[none]\n"]


=== scgi_pass, indirect by the hide directive
--- protocol: scgi
--- sticky: cookie=test option=indirect
--- inside: session_sticky_hide_cookie upstream=u;
--- more_headers
Cookie: a=b; test=ID_SCGI_B; c=d
--- response_body
SCGI_B cookie=[a=b; c=d]


=== scgi_pass, rewrite
--- protocol: scgi
--- sticky: cookie=test mode=rewrite
--- more_headers
Cookie: test=ID_SCGI_B
--- response_headers
Set-Cookie: test=ID_SCGI_B; Path=/, mytest=abc
--- response_body
SCGI_B cookie=[test=ID_SCGI_B]


=== scgi_pass, prefix
--- protocol: scgi
--- sticky: cookie=test mode=prefix
--- more_headers
Cookie: a=b; test=ID_SCGI_B~mine; mytest=x~y
--- response_headers
Set-Cookie: test=ID_SCGI_B~abc; Path=/, mytest=abc
--- response_body
SCGI_B cookie=[a=b; test=mine; mytest=x~y]


=== scgi_pass, insert: an error page of the server counts as well
--- protocol: scgi
--- sticky: cookie=s
--- request
GET /t/missing
--- error_code: 404
--- raw_response_headers_like
Set-Cookie: s=ID_SCGI_A; Path=/\r\n


=== grpc_pass, insert: the first visitors are bound
--- protocol: grpc
--- sticky: cookie=s
--- request eval
["GET /t/", "GET /t/"]
--- response_headers eval
["Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_GRPC_A; Path=/", "Set-Cookie: test=abc; Path=/, mytest=abc, s=ID_GRPC_B; Path=/"]
--- response_body eval
["GRPC_A cookie=[none]\n", "GRPC_B cookie=[none]\n"]
--- skip_eval: 12: !$main::http2


=== grpc_pass, insert: a return visit goes to its server, which sees the cookie
--- protocol: grpc
--- sticky: cookie=s
--- more_headers
Cookie: a=b; s=ID_GRPC_B
--- response_headers
Set-Cookie: test=abc; Path=/, mytest=abc
--- response_body
GRPC_B cookie=[a=b; s=ID_GRPC_B]
--- skip_eval: 6: !$main::http2


=== grpc_pass, indirect: the cookie is hidden, and the server's own of that name replaced
--- protocol: grpc
--- sticky: cookie=test option=indirect
--- request eval
["GET /t/", "GET /t/", "GET /t/"]
--- more_headers eval
["Cookie: a=b; test=ID_GRPC_B; c=d", "Cookie: test=ID_GRPC_B", ""]
--- raw_response_headers_like eval
["Set-Cookie: test=ID_GRPC_B; Path=/\r\n", "Set-Cookie: test=ID_GRPC_B; Path=/\r\n", "Set-Cookie: test=ID_GRPC_A; Path=/\r\n"]
--- raw_response_headers_unlike eval
[" test=abc", " test=abc", " test=abc"]
--- response_body eval
["GRPC_B cookie=[a=b; c=d]\n", "GRPC_B cookie=[none]\n", "GRPC_A cookie=[none]\n"]
--- skip_eval: 21: !$main::http2


=== grpc_pass, indirect by the hide directive
--- protocol: grpc
--- sticky: cookie=test option=indirect
--- inside: session_sticky_hide_cookie upstream=u;
--- more_headers
Cookie: a=b; test=ID_GRPC_B; c=d
--- response_body
GRPC_B cookie=[a=b; c=d]
--- skip_eval: 5: !$main::http2


=== grpc_pass, rewrite
--- protocol: grpc
--- sticky: cookie=test mode=rewrite
--- more_headers
Cookie: test=ID_GRPC_B
--- response_headers
Set-Cookie: test=ID_GRPC_B; Path=/, mytest=abc
--- response_body
GRPC_B cookie=[test=ID_GRPC_B]
--- skip_eval: 6: !$main::http2


=== grpc_pass, prefix
--- protocol: grpc
--- sticky: cookie=test mode=prefix
--- more_headers
Cookie: a=b; test=ID_GRPC_B~mine; mytest=x~y
--- response_headers
Set-Cookie: test=ID_GRPC_B~abc; Path=/, mytest=abc
--- response_body
GRPC_B cookie=[a=b; test=mine; mytest=x~y]
--- skip_eval: 6: !$main::http2


=== an HTTP/2 client: the first visit is bound
--- protocol: http
--- sticky: cookie=s
--- http2_answer
HTTP_A cookie=[none]
--- http2_cookie
s=ID_HTTP_A; Path=/



=== an HTTP/2 client: a return visit goes to its server, the cookie hidden
--- protocol: http
--- sticky: cookie=s option=indirect
--- http2_request
a=b; s=ID_HTTP_B; c=d
--- http2_answer
HTTP_B cookie=[a=b; c=d]



=== an HTTP/2 client: of several Cookie fields each is read, and the one with the cookie hidden
--- protocol: http
--- sticky: cookie=s option=indirect
--- http2_request
a=b
s=ID_HTTP_B
c=d
--- http2_answer
HTTP_B cookie=[a=b; c=d]



=== an HTTP/2 client over grpc_pass: a return visit goes to its server, the cookie hidden
--- protocol: grpc
--- sticky: cookie=s option=indirect
--- http2_request
a=b; s=ID_GRPC_B; c=d
--- http2_answer
GRPC_B cookie=[a=b; c=d]
